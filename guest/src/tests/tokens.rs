//! Tokens that end while something is on its way, and tokens that cannot be had.

use std::{cell::RefCell, rc::Rc, time::Duration};

use super::{
    ROOT, file, opened, path,
    script::Pieces,
    simulation::{Flow, Said, Simulation},
};
use crate::{
    error::Error,
    lookup::Target,
    platform::{Clock as _, CredentialsError},
    service::Service,
    upload::{Existing, WriteOptions},
    wire::Node,
};

type Outcome = Rc<RefCell<Option<Result<Node, Error>>>>;

fn upload(service: &Rc<Service<Simulation>>) -> (Flow, Outcome) {
    let outcome = Outcome::default();
    let (service, told) = (Rc::clone(service), Rc::clone(&outcome));
    let flow: Flow = Box::pin(async move {
        let options = WriteOptions {
            size: Some(5),
            existing: Existing::Absent,
            content_type: None,
            original_time: None,
            idempotency_key: None,
        };
        let content = Pieces::new(&[b"hello"]);
        *told.borrow_mut() = Some(service.write(&path("f"), content, options).await);
    });
    (flow, outcome)
}

fn looking(service: &Rc<Service<Simulation>>) -> (Flow, Outcome) {
    let outcome = Outcome::default();
    let (service, told) = (Rc::clone(service), Rc::clone(&outcome));
    let flow: Flow = Box::pin(async move {
        *told.borrow_mut() = Some(service.stat(&Target::Id("F".to_owned())).await);
    });
    (flow, outcome)
}

fn stored() -> Said {
    Said::new(201, file("F", "f", ROOT, 5))
}

#[test]
fn token_is_looked_after_while_content_is_on_its_way() {
    for (takes, asked) in [(0, 1), (59, 1), (61, 2), (600, 11)] {
        let simulation = Simulation::new(|_| stored());
        simulation.upload_takes.set(Duration::from_secs(takes));
        let service = Rc::new(opened(simulation.clone()));
        let (flow, outcome) = upload(&service);
        simulation.run([flow]);
        assert!(matches!(&*outcome.borrow(), Some(Ok(_))), "{takes}");
        assert_eq!(simulation.asked.borrow().len(), asked, "{takes} s");
        assert_eq!(
            simulation.now(),
            Duration::from_secs(takes) + Duration::from_millis(50)
        );
    }
}

#[test]
fn token_that_cannot_be_looked_after_does_not_end_an_upload() {
    let simulation = Simulation::new(|_| stored());
    simulation.upload_takes.set(Duration::from_secs(300));
    let service = Rc::new(opened(simulation.clone()));
    let (flow, outcome) = upload(&service);
    let gone = simulation.clone();
    let provider: Flow = Box::pin(async move {
        gone.sleep(Duration::from_secs(90)).await;
        let why = CredentialsError::LoginNeeded("log in again".to_owned());
        *gone.no_token.borrow_mut() = Some(why);
    });
    simulation.run([flow, provider]);
    assert!(matches!(&*outcome.borrow(), Some(Ok(_))));
    // What comes after is told.
    let (flow, outcome) = looking(&service);
    simulation.run([flow]);
    assert!(matches!(
        &*outcome.borrow(),
        Some(Err(Error::Unauthenticated(_)))
    ));
    assert_eq!(simulation.seen.borrow().len(), 1);
}

#[test]
fn login_that_is_needed_is_told_at_once() {
    for flow in [upload, looking] {
        let simulation = Simulation::new(|_| stored());
        let why = CredentialsError::LoginNeeded("log in again".to_owned());
        *simulation.no_token.borrow_mut() = Some(why);
        let service = Rc::new(opened(simulation.clone()));
        let (flow, outcome) = flow(&service);
        simulation.run([flow]);
        let outcome = outcome.take();
        let Some(Err(Error::Unauthenticated(detail))) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(detail.message, "log in again");
        assert_eq!(simulation.asked.borrow().len(), 1);
        assert_eq!(simulation.now(), Duration::ZERO);
        assert!(simulation.seen.borrow().is_empty());
    }
}

#[test]
fn provider_that_is_away_for_a_while_is_asked_again() {
    for flow in [upload, looking] {
        let simulation = Simulation::new(|_| stored());
        let why = CredentialsError::Unavailable("it is away".to_owned());
        *simulation.no_token.borrow_mut() = Some(why);
        let service = Rc::new(opened(simulation.clone()));
        let (flow, outcome) = flow(&service);
        let back = simulation.clone();
        let provider: Flow = Box::pin(async move {
            back.sleep(Duration::from_millis(200)).await;
            back.no_token.take();
        });
        simulation.run([flow, provider]);
        assert!(matches!(&*outcome.borrow(), Some(Ok(_))), "{outcome:?}");
        assert!(simulation.asked.borrow().len() > 1);
        let log = simulation.log.borrow();
        assert!(log.iter().any(|it| it.2.ends_with("again: it is away")));
    }
}

#[test]
fn one_refused_token_is_replaced_once_for_all_calls() {
    let simulation = Simulation::new(|arrival| match arrival.authorization.as_deref() {
        Some("token 1") => Said::new(401, r#"{"message":"Token has expired"}"#),
        _ => stored(),
    });
    let service = Rc::new(opened(simulation.clone()));
    let (flows, outcomes): (Vec<_>, Vec<_>) = (0..16).map(|_| looking(&service)).unzip();
    simulation.run(flows);
    for outcome in outcomes {
        assert!(matches!(&*outcome.borrow(), Some(Ok(_))));
    }
    // Each call twice, and the second token is the last.
    assert_eq!(simulation.seen.borrow().len(), 32);
    let last = crate::platform::Credentials::authorization(&simulation, "");
    let last = super::run(last);
    assert_eq!(last.unwrap().as_deref(), Some("token 2"));
}
