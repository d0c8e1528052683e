//! Many flows and a service that has a limit.

use std::{cell::Cell, rc::Rc, time::Duration};

use futures::future::{Either, select};

use super::{
    BUDGET, ROOT, file, opened, path,
    script::Pieces,
    simulation::{Arrival, Exchange, Flow, Said, Simulation},
};
use crate::{
    error::Error,
    lookup::Target,
    platform::{Clock as _, Level},
    policy::Budget,
    service::{Options, Service},
    upload::{Existing, WriteOptions},
};

/// A bucket of tokens, a second's worth and full at first, as the fault `rate-limit` has it.
fn rate_limit(per_second: f64) -> impl FnMut(&Arrival) -> Said + 'static {
    bucket(per_second, per_second)
}

fn bucket(per_second: f64, most: f64) -> impl FnMut(&Arrival) -> Said + 'static {
    let (mut tokens, mut then) = (most, Duration::ZERO);
    move |arrival| {
        let passed = (arrival.at - then).as_secs_f64();
        tokens = (tokens + passed * per_second).min(most);
        then = arrival.at;
        if tokens < 1.0 {
            return Said::new(429, r#"{"message":"Rate exceeded"}"#);
        }
        tokens -= 1.0;
        found()
    }
}

fn found() -> Said {
    Said::new(200, file("F", "f", ROOT, 1))
}

fn service(simulation: &Simulation) -> Rc<Service<Simulation>> {
    let mut service = opened(simulation.clone());
    service.budget = Budget {
        attempts: 10,
        ..BUDGET
    };
    Rc::new(service)
}

/// Flows that look at nodes, one after another, and count what fails.
fn workers(
    service: &Rc<Service<Simulation>>,
    count: usize,
    looks: usize,
    failed: &Rc<Cell<usize>>,
) -> Vec<Flow> {
    let worker = |number| -> Flow {
        let (service, failed) = (Rc::clone(service), Rc::clone(failed));
        Box::pin(async move {
            for look in 0..looks {
                let id = format!("{number}-{look}");
                if service.stat(&Target::Id(id)).await.is_err() {
                    failed.set(failed.get() + 1);
                }
            }
        })
    };
    (0..count).map(worker).collect()
}

fn refused(seen: &[Exchange]) -> usize {
    seen.iter().filter(|it| it.status == 429).count()
}

/// Asserts that of so many looks by 16 workers few are refused, warm-up apart, and that
/// they take little more time than the limit has it.
fn assert_kept_to(per_second: f64, most: f64, latency: u64, looks: usize) {
    let case = format!("{per_second}/s, at once {most}, {latency} ms");
    let simulation = Simulation::new(bucket(per_second, most));
    simulation.latency.set(Duration::from_millis(latency) / 2);
    let service = service(&simulation);
    let failed = Rc::default();
    simulation.run(workers(&service, 16, looks / 16, &failed));
    assert_eq!(failed.get(), 0, "{case}");

    let seen = simulation.seen.borrow();
    let warm = &seen[looks / 10..];
    let share = refused(warm) as f64 / warm.len() as f64;
    let ideal = (looks as f64 - most) / per_second;
    let took = simulation.now().as_secs_f64();
    assert!(share < 0.02, "{case}: {share} are refused");
    assert!(took < 1.2 * ideal, "{case}: {took} s, ideal {ideal}");
}

#[test]
fn limit_is_kept_to_with_few_refusals_and_little_time_lost() {
    assert_kept_to(10.0, 10.0, 50, 2000);
}

#[test]
fn limits_of_all_kinds_are_found() {
    for latency in [2, 50, 400] {
        assert_kept_to(10.0, 10.0, latency, 2000);
        assert_kept_to(10.0, 100.0, latency, 2000);
        assert_kept_to(3.0, 3.0, latency, 1600);
        if latency < 100 {
            assert_kept_to(100.0, 100.0, latency, 6000);
        }
    }
}

#[test]
fn without_a_complaint_nothing_is_held_back() {
    let simulation = Simulation::new(|_| found());
    let service = service(&simulation);
    simulation.run(workers(&service, 16, 100, &Rc::default()));
    // Each look there and back.
    assert_eq!(simulation.now(), Duration::from_millis(50) * 100);
    assert!(simulation.log.borrow().is_empty());
}

#[test]
fn retry_after_holds_all_calls_and_is_told_once() {
    let said = Cell::new(false);
    let simulation = Simulation::new(move |arrival| {
        if arrival.at < Duration::from_millis(500) || said.replace(true) {
            return found();
        }
        Said {
            headers: vec![("retry-after", "7".to_owned())],
            ..Said::new(503, "")
        }
    });
    let service = service(&simulation);
    let failed = Rc::default();
    simulation.run(workers(&service, 16, 40, &failed));
    assert_eq!(failed.get(), 0);

    let seen = simulation.seen.borrow();
    let complaint = seen.iter().find(|it| it.status == 503).unwrap().at;
    // What is told takes a moment to be heard.
    let heard = complaint + Duration::from_millis(25);
    let last = seen
        .iter()
        .rfind(|it| it.at < heard + Duration::from_secs(7));
    assert!(last.unwrap().at <= heard + Duration::from_millis(25));
    let first = seen
        .iter()
        .find(|it| it.at >= heard + Duration::from_secs(7));
    assert!(first.unwrap().at <= heard + Duration::from_millis(7025));
    // What they carry is asked for when they go, or it could have ended by then.
    let quiet = heard + Duration::from_millis(25)..heard + Duration::from_secs(7);
    assert!(
        !simulation
            .asked
            .borrow()
            .iter()
            .any(|at| quiet.contains(at))
    );
    let warnings = simulation.warnings();
    assert_eq!(
        warnings,
        [(heard, "waiting 7.0 s: rate limited".to_owned())]
    );
}

#[test]
fn failures_that_are_no_complaints_slow_nobody_down() {
    for status in [500, 503] {
        let said = Cell::new(false);
        let simulation = Simulation::new(move |_| match said.replace(true) {
            true => found(),
            false => Said::new(status, ""),
        });
        let service = service(&simulation);
        simulation.run(workers(&service, 16, 100, &Rc::default()));
        let seen = simulation.seen.borrow();
        let early = seen.iter().filter(|it| it.at < Duration::from_secs(5));
        assert!(early.count() >= 1500);
        assert!(
            !simulation
                .log
                .borrow()
                .iter()
                .any(|it| it.2.contains("rate"))
        );
    }
}

#[test]
fn burst_of_complaints_slows_down_once() {
    // All that are on their way at the same time are refused.
    let simulation = Simulation::new(|arrival| {
        if (1000..1050).contains(&arrival.at.as_millis()) {
            return Said::new(429, "");
        }
        found()
    });
    let service = service(&simulation);
    simulation.run(workers(&service, 16, 120, &Rc::default()));
    let seen = simulation.seen.borrow();
    assert_eq!(refused(&seen), 16);
    // 320 requests a second went well before, and four fifths of that is what is tried:
    // once more taken away, it would be 205 at most.
    let from = Duration::from_millis(1100);
    let then = |it: &&Exchange| it.at >= from && it.at < from + Duration::from_secs(2);
    let log = simulation.log.borrow();
    let tried = log.iter().find(|it| it.2.contains("rate limited: trying"));
    assert_eq!(tried.unwrap().1, Level::Info);
    assert!(
        tried.unwrap().2.contains("trying 2"),
        "{}",
        tried.unwrap().2
    );
    assert!(seen.iter().filter(then).count() > 2 * 205);
}

#[test]
fn pace_is_forgotten_when_it_is_no_longer_needed() {
    let busy = Rc::new(Cell::new(true));
    let is_busy = Rc::clone(&busy);
    let mut limited = rate_limit(10.0);
    let simulation = Simulation::new(move |arrival| match is_busy.get() {
        true => limited(arrival),
        false => found(),
    });
    let service = service(&simulation);
    simulation.run(workers(&service, 16, 20, &Rc::default()));
    assert!(refused(&simulation.seen.borrow()) > 0);
    busy.set(false);
    let free = simulation.now();
    simulation.run(workers(&service, 16, 3000, &Rc::default()));
    let took = simulation.now() - free;
    assert!(took < Duration::from_secs(230), "{took:?}");
    let log = simulation.log.borrow();
    let over = log.iter().find(|it| it.2 == "no longer rate limited");
    assert!(over.unwrap().0 - free < Duration::from_secs(95));
}

#[test]
fn turns_are_given_in_the_order_in_which_they_were_asked_for() {
    let simulation = Simulation::new(rate_limit(2.0));
    let service = service(&simulation);
    simulation.run(workers(&service, 4, 3, &Rc::default()));
    let before = simulation.seen.borrow().len();
    let asks = (0..20_u32).map(|number| -> Flow {
        let service = Rc::clone(&service);
        Box::pin(async move {
            service
                .platform
                .sleep(Duration::from_millis(number.into()))
                .await;
            let _ = service.stat(&Target::Id(format!("ask-{number}"))).await;
        })
    });
    simulation.run(asks.collect::<Vec<_>>());
    let seen = simulation.seen.borrow();
    let mut order: Vec<_> = seen[before..].iter().map(|it| it.url.clone()).collect();
    // Those that were refused ask again, and stand at the end.
    let mut known = std::collections::HashSet::new();
    order.retain(|url| known.insert(url.clone()));
    let expected = (0..20).map(|number| service.whole_node_url(&format!("ask-{number}")));
    assert_eq!(order, expected.collect::<Vec<_>>());
}

#[test]
fn caller_that_leaves_is_not_waited_for() {
    let said = Cell::new(false);
    let simulation = Simulation::new(move |_| match said.replace(true) {
        true => found(),
        false => Said {
            headers: vec![("retry-after", "60".to_owned())],
            ..Said::new(429, "")
        },
    });
    let service = service(&simulation);
    let first = Rc::clone(&service);
    let mut flows: Vec<Flow> = vec![Box::pin(async move {
        first.stat(&Target::Id("first".to_owned())).await.unwrap();
    })];
    for number in 0..50 {
        let service = Rc::clone(&service);
        flows.push(Box::pin(async move {
            let platform = service.platform.clone();
            platform.sleep(Duration::from_secs(1)).await;
            let target = Target::Id(number.to_string());
            let look = Box::pin(service.stat(&target));
            match number {
                // All but one lose patience.
                0..49 => {
                    let patience = Box::pin(platform.sleep(Duration::from_secs(10)));
                    let ended = select(look, patience).await;
                    assert!(matches!(ended, Either::Right(_)));
                }
                _ => drop(look.await),
            }
        }));
    }
    simulation.run(flows);
    let late: Flow = {
        let service = Rc::clone(&service);
        Box::pin(async move { drop(service.stat(&Target::Id("late".to_owned())).await) })
    };
    simulation.run([late]);
    let seen = simulation.seen.borrow();
    assert_eq!(seen.len(), 4, "{seen:?}");
    assert!(seen[3].url.contains("late"));
    // The queue is empty: whoever comes now finds no turn taken by those who left.
    assert!(seen[3].at < Duration::from_secs(68), "{:?}", seen[3].at);
}

#[test]
fn waiting_for_a_turn_is_no_attempt() {
    // A limit so low that many wait for longer than all retries of a request may take.
    let simulation = Simulation::new(rate_limit(1.0));
    let service = service(&simulation);
    let failed = Rc::default();
    simulation.run(workers(&service, 100, 3, &failed));
    assert_eq!(failed.get(), 0);
    assert!(simulation.now() > Duration::from_secs(290));
}

#[test]
fn uploads_that_are_refused_together_wait_as_for_one_refusal() {
    for (status, waits) in [(429, true), (401, false)] {
        let simulation = Simulation::new(move |_| Said::new(status, ""));
        let service = service(&simulation);
        let uploads = || {
            let upload = |_| -> Flow {
                let service = Rc::clone(&service);
                Box::pin(async move {
                    let options = WriteOptions {
                        size: Some(5),
                        existing: Existing::Absent,
                        content_type: None,
                        original_time: None,
                        idempotency_key: None,
                    };
                    let content = Pieces::new(&[b"hello"]);
                    let outcome = service.write(&path("f"), content, options).await;
                    assert!(matches!(outcome, Err(Error::Interrupted(_))), "{outcome:?}");
                })
            };
            (0..16).map(upload).collect::<Vec<_>>()
        };
        simulation.run(uploads());
        assert_eq!(simulation.seen.borrow().len(), 16);
        let took = simulation.now();
        assert!(took <= Duration::from_millis(1050), "{took:?}");
        assert_eq!(took > Duration::from_millis(50), waits);
    }
}

/// What opening says of a service that answers the first call so, and what was waited.
fn open(reply: impl FnMut(&Arrival) -> Said + 'static) -> (Option<Error>, Duration) {
    let simulation = Simulation::new(reply);
    let outcome = Rc::new(Cell::new(None));
    let (platform, told) = (simulation.clone(), Rc::clone(&outcome));
    let flow: Flow = Box::pin(async move {
        let options = Options {
            endpoint: "https://drive.example/drive/v1/".to_owned(),
            encoding: crate::names::Encoding::default(),
            budget: Budget {
                attempts: 10,
                ..BUDGET
            },
            upload_wait_per_gb: Duration::ZERO,
            templink_threshold: None,
            largest_file: None,
        };
        told.set(Service::connect(platform, options).await.err());
    });
    simulation.run([flow]);
    (outcome.take(), simulation.now())
}

#[test]
fn app_that_is_refused_from_the_start_is_told_so_soon() {
    for retry_after in [None, Some("3"), Some("20")] {
        let (error, took) = open(move |_| Said {
            headers: Vec::from_iter(retry_after.map(|it| ("retry-after", it.to_owned()))),
            ..Said::new(429, r#"{"message":"Rate exceeded"}"#)
        });
        let Some(Error::Throttled(detail)) = error else {
            panic!("{error:?}");
        };
        assert!(
            detail.message.contains("the app may be blocked"),
            "{detail:?}"
        );
        assert!(detail.message.contains("Rate exceeded"), "{detail:?}");
        assert!(took < Duration::from_secs(30), "{took:?}");
    }
}

#[test]
fn quiet_that_is_asked_for_at_the_start_is_kept_once() {
    let mut calls = 0;
    let (error, took) = open(move |_| {
        calls += 1;
        match calls {
            1 => Said {
                headers: vec![("retry-after", "120".to_owned())],
                ..Said::new(429, "")
            },
            _ => Said::new(404, ""),
        }
    });
    assert!(matches!(error, Some(Error::NotFound(_))), "{error:?}");
    assert!(took >= Duration::from_secs(120), "{took:?}");
}

#[test]
fn service_that_fails_at_the_start_is_given_its_time() {
    let (error, took) = open(|_| Said::new(503, ""));
    let Some(Error::Unavailable(detail)) = error else {
        panic!("{error:?}");
    };
    assert!(!detail.message.contains("blocked"), "{detail:?}");
    assert!(took > Duration::from_secs(60), "{took:?}");
}
