//! What the account has room for, and what fills it.

use serde_json::Error as JsonError;

use crate::{
    error::Error,
    lenient::{self, Fields, Value},
    platform::Platform,
    service::{Call, Service},
};

/// An account, as far as the service tells: an empty one was seen to tell nothing.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) status: Option<String>,
    /// Bytes of the plan, and what is left of them.
    pub(crate) quota: Option<u64>,
    pub(crate) available: Option<u64>,
    pub(crate) usage: Vec<Usage>,
}

/// The files of one kind.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Usage {
    /// The service's word, such as `photo`.
    pub(crate) category: String,
    pub(crate) total: Amount,
    /// What counts towards the quota.
    pub(crate) billable: Amount,
}

/// So many files of so many bytes together.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) bytes: Option<u64>,
    pub(crate) count: Option<u64>,
}

impl<P: Platform> Service<P> {
    /// All that is told of the account, in three requests.
    pub(crate) async fn account(&self) -> Result<Account, Error> {
        let mut account = Account::default();
        lenient::object(&self.about("info").await?, &mut account).map_err(odd)?;
        lenient::object(&self.about("quota").await?, &mut account).map_err(odd)?;
        account.usage = self.usage().await?;
        Ok(account)
    }

    /// What fills the account, by category. The service counts it anew now and then, and so
    /// it is behind.
    pub(crate) async fn usage(&self) -> Result<Vec<Usage>, Error> {
        let mut categories = Categories::default();
        lenient::object(&self.about("usage").await?, &mut categories).map_err(odd)?;
        Ok(categories.0)
    }

    async fn about(&self, part: &str) -> Result<Vec<u8>, Error> {
        let url = format!("{}account/{part}", self.metadata);
        self.whole(&Call::get(WHAT, url)).await
    }
}

fn odd(error: JsonError) -> Error {
    Error::protocol(WHAT, error)
}

/// What the user reads after "could not".
const WHAT: &str = "ask about the account";

impl<'de> Fields<'de> for Account {
    fn field(&mut self, key: &str, value: &mut dyn Value<'de>) -> Result<(), JsonError> {
        match key {
            "status" => self.status = value.text()?.map(Into::into),
            "quota" => self.quota = value.number()?,
            "available" => self.available = value.number()?,
            _ => {}
        }
        Ok(())
    }
}

#[derive(Default)]
struct Categories(Vec<Usage>);

impl<'de> Fields<'de> for Categories {
    fn field(&mut self, key: &str, value: &mut dyn Value<'de>) -> Result<(), JsonError> {
        let usage = Usage {
            category: key.to_owned(),
            ..value.object()?
        };
        // There is a date beside the categories.
        if (usage.total, usage.billable) != Default::default() {
            self.0.push(usage);
        }
        Ok(())
    }
}

impl<'de> Fields<'de> for Usage {
    fn field(&mut self, key: &str, value: &mut dyn Value<'de>) -> Result<(), JsonError> {
        match key {
            "total" => self.total = value.object()?,
            "billable" => self.billable = value.object()?,
            _ => {}
        }
        Ok(())
    }
}

impl<'de> Fields<'de> for Amount {
    fn field(&mut self, key: &str, value: &mut dyn Value<'de>) -> Result<(), JsonError> {
        match key {
            "bytes" => self.bytes = value.number()?,
            "count" => self.count = value.number()?,
            _ => {}
        }
        Ok(())
    }
}
