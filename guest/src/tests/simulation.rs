//! A platform with a clock of its own and any number of flows at once: time stands still
//! while one of them has something to do, and then goes to when the next one has.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Poll, Waker},
    time::Duration,
};

use futures::{executor::LocalPool, task::LocalSpawnExt as _};

use crate::platform::{
    BodySource, Clock, Credentials, CredentialsError, Level, Payload, Platform, Request, Response,
    Transport, TransportError,
};

/// Flows still to be run.
pub(super) type Flow = Pin<Box<dyn Future<Output = ()>>>;

/// What the simulated service says.
pub(super) struct Said {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

impl Said {
    pub(super) fn new(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }
}

type Service = dyn FnMut(&Arrival) -> Said;

/// A request when it has reached the service.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    pub(super) at: Duration,
    pub(super) url: String,
    pub(super) authorization: Option<String>,
}

/// What became of it.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    pub(super) at: Duration,
    pub(super) url: String,
    pub(super) status: u16,
}

/// The platform. Clones are the same.
#[derive(Clone)]
pub(super) struct Simulation(Rc<World>);

pub(super) struct World {
    now: Cell<Duration>,
    sleepers: RefCell<Vec<(Duration, Waker)>>,
    random: Cell<u64>,
    service: RefCell<Box<Service>>,
    /// From here to the service, and back again.
    pub(super) latency: Cell<Duration>,
    /// How long a streamed body takes.
    pub(super) upload_takes: Cell<Duration>,
    pub(super) seen: RefCell<Vec<Exchange>>,
    pub(super) log: RefCell<Vec<(Duration, Level, String)>>,
    /// When the token was asked for.
    pub(super) asked: RefCell<Vec<Duration>>,
    token: Cell<u32>,
    /// Why there is no token.
    pub(super) no_token: RefCell<Option<CredentialsError>>,
}

impl Simulation {
    pub(super) fn new(service: impl FnMut(&Arrival) -> Said + 'static) -> Self {
        Self(Rc::new(World {
            now: Cell::default(),
            sleepers: RefCell::default(),
            random: Cell::new(1),
            service: RefCell::new(Box::new(service)),
            latency: Cell::new(Duration::from_millis(25)),
            upload_takes: Cell::default(),
            seen: RefCell::default(),
            log: RefCell::default(),
            asked: RefCell::default(),
            token: Cell::new(1),
            no_token: RefCell::default(),
        }))
    }

    /// Runs flows until all have ended; dropped are those that have none left to wait for.
    pub(super) fn run(&self, flows: impl IntoIterator<Item = Flow>) {
        let mut pool = LocalPool::new();
        let left = Rc::new(Cell::new(0));
        for flow in flows {
            left.set(left.get() + 1);
            let left = Rc::clone(&left);
            let counted = async move {
                flow.await;
                left.set(left.get() - 1);
            };
            pool.spawner().spawn_local(counted).unwrap();
        }
        loop {
            pool.run_until_stalled();
            if left.get() == 0 {
                return;
            }
            let mut sleepers = self.0.sleepers.borrow_mut();
            let next = sleepers.iter().map(|(time, _)| *time).min();
            let next = next.expect("flows wait for what never happens");
            self.0.now.set(next);
            for (_, waker) in sleepers.extract_if(.., |(time, _)| *time <= next) {
                waker.wake();
            }
        }
    }

    /// The lines of the log from this level up.
    pub(super) fn warnings(&self) -> Vec<(Duration, String)> {
        let log = self.0.log.borrow();
        log.iter()
            .filter(|(_, level, _)| *level == Level::Warn)
            .map(|(at, _, line)| (*at, line.clone()))
            .collect()
    }
}

impl std::ops::Deref for Simulation {
    type Target = World;

    fn deref(&self) -> &World {
        &self.0
    }
}

impl Clock for Simulation {
    fn now(&self) -> Duration {
        self.0.now.get()
    }

    async fn sleep(&self, duration: Duration) {
        let until = self.now() + duration;
        poll_fn(|context| {
            if self.now() >= until {
                return Poll::Ready(());
            }
            let sleeper = (until, context.waker().clone());
            self.0.sleepers.borrow_mut().push(sleeper);
            Poll::Pending
        })
        .await;
    }

    /// Marsaglia's xorshift64*: the same numbers in each run.
    fn random(&self) -> u64 {
        let mut random = self.0.random.get();
        random ^= random >> 12;
        random ^= random << 25;
        random ^= random >> 27;
        self.0.random.set(random);
        random.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

impl Transport for Simulation {
    type Body = String;

    async fn send<S: BodySource + 'static>(
        &self,
        request: Request,
        payload: Payload<S>,
    ) -> Result<Response<String>, TransportError> {
        if let Payload::Stream(mut source) = payload {
            while source
                .next(Vec::new())
                .await
                .expect("it is whole")
                .is_some()
            {}
            self.sleep(self.0.upload_takes.get()).await;
        }
        self.sleep(self.0.latency.get()).await;
        let header = request
            .headers
            .iter()
            .find(|(name, _)| *name == "authorization");
        let arrival = Arrival {
            at: self.now(),
            url: request.url,
            authorization: header.map(|(_, value)| value.clone()),
        };
        let said = (self.0.service.borrow_mut())(&arrival);
        self.0.seen.borrow_mut().push(Exchange {
            at: arrival.at,
            url: arrival.url,
            status: said.status,
        });
        self.sleep(self.0.latency.get()).await;
        let headers = said.headers.into_iter();
        Ok(Response {
            status: said.status,
            headers: headers
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            body: said.body,
        })
    }

    async fn read_some(
        &self,
        body: String,
        _: Vec<u8>,
    ) -> Result<(Vec<u8>, Option<String>), TransportError> {
        Ok((body.into_bytes(), None))
    }

    async fn read_to_end(&self, body: String, _: usize) -> Result<Vec<u8>, TransportError> {
        Ok(body.into_bytes())
    }
}

impl Credentials for Simulation {
    async fn authorization(&self, _: &str) -> Result<Option<String>, CredentialsError> {
        self.0.asked.borrow_mut().push(self.now());
        match &*self.0.no_token.borrow() {
            Some(error) => Err(error.clone()),
            None => Ok(Some(format!("token {}", self.0.token.get()))),
        }
    }

    fn forget(&self, authorization: &str) {
        if authorization == format!("token {}", self.0.token.get()) {
            self.0.token.set(self.0.token.get() + 1);
        }
    }
}

impl Platform for Simulation {
    fn log(&self, level: Level, message: &str) {
        let line = (self.now(), level, message.to_owned());
        self.0.log.borrow_mut().push(line);
    }
}
