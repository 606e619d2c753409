//! What is open: ephemeral values, held for as long as a command needs them.
//!
//! They are opened when they are first needed, renewed when that is due, and closed at the end, however the
//! command ends. Nothing of them rests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use retrue_provider_api::{Context, DataRequest, Marks, Opened, Private, Provider, ProviderResult, Value};
use tokio::task::JoinHandle;

use crate::address::Address;
use crate::clock::deadline;
use crate::survey::calls::{Calls, within};

/// How long it may take to close one.
const CLOSING_WITHIN: Duration = Duration::from_secs(30);

/// Everything that was opened by this process and is not closed yet.
static ALL: Mutex<Vec<Arc<Ephemerals>>> = Mutex::new(Vec::new());

/// What is open for one plan and what is done with it.
#[derive(Default)]
pub struct Ephemerals {
    open: Mutex<BTreeMap<Address, Held>>,
}

struct Held {
    provider: Arc<dyn Provider>,
    private: Private,
    value: Value,
    limit: Duration,
    calls: Calls,
    /// In which order they were opened: the last one is closed first.
    order: usize,
    renewing: Option<JoinHandle<()>>,
    /// Why it could not be renewed.
    trouble: Arc<Mutex<Option<String>>>,
}

impl Ephemerals {
    /// The value of what is open, marked; `None` when it is not.
    ///
    /// # Errors
    /// It could not be renewed, and is of no use any more.
    pub fn value(&self, address: &Address) -> Result<Option<Value>, String> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(held) = open.get(address) else { return Ok(None) };
        match held.trouble.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(trouble) => Err(format!("it could not be renewed: {trouble}")),
            None => Ok(Some(held.value.clone())),
        }
    }

    /// Opens one with a configuration without marks. It is closed by [`close_all`] at the latest.
    ///
    /// # Errors
    /// The provider does not open it.
    pub async fn open(
        self: &Arc<Self>,
        address: &Address,
        provider: &Arc<dyn Provider>,
        config: Value,
        limit: Duration,
        calls: &Calls,
    ) -> ProviderResult<Value> {
        let context = calls.context(address, limit);
        let request = DataRequest { type_name: address.type_name().to_owned(), config };
        let Opened { value, private, renew_at } = within(limit, "open", provider.open(&context, request)).await?;
        let value = value.with_marks(Marks::EPHEMERAL);
        self.register();
        let trouble = Arc::default();
        let renewing = renew_at.map(|at| {
            let (provider, private, trouble) = (Arc::clone(provider), private.clone(), Arc::clone(&trouble));
            // What a person stops may still need it until it has ended.
            let (address, calls) = (address.clone(), Calls { cancellation: Default::default(), ..calls.clone() });
            tokio::spawn(async move { renew(&provider, &address, private, at, limit, &calls, &trouble).await })
        });
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let order = open.len();
        let provider = Arc::clone(provider);
        let held =
            Held { provider, private, value: value.clone(), limit, calls: calls.clone(), order, renewing, trouble };
        open.insert(address.clone(), held);
        Ok(value)
    }

    fn register(self: &Arc<Self>) {
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.iter().any(|known| Arc::ptr_eq(known, self)) {
            all.push(Arc::clone(self));
        }
    }

    /// Closes everything, the newest first. What cannot be closed is told in the log.
    pub async fn close(&self) {
        let this: *const Self = self;
        ALL.lock().unwrap_or_else(PoisonError::into_inner).retain(|known| !std::ptr::eq(Arc::as_ptr(known), this));
        let open = std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner));
        let mut open: Vec<(Address, Held)> = open.into_iter().collect();
        open.sort_by_key(|(_, held)| std::cmp::Reverse(held.order));
        for (address, held) in open {
            if let Some(renewing) = &held.renewing {
                renewing.abort();
            }
            // What was cancelled is closed all the same.
            let calls = Calls { cancellation: Default::default(), ..held.calls };
            let limit = held.limit.min(CLOSING_WITHIN);
            let context = calls.context(&address, limit);
            let closed = within(limit, "close", held.provider.close(&context, address.type_name(), held.private)).await;
            if let Err(error) = closed {
                tracing::warn!(address = %address, %error, "it could not be closed");
            }
        }
    }
}

/// Renews again and again, each time that it is due.
async fn renew(
    provider: &Arc<dyn Provider>,
    address: &Address,
    private: Private,
    mut at: Instant,
    limit: Duration,
    calls: &Calls,
    trouble: &Mutex<Option<String>>,
) {
    loop {
        tokio::time::sleep_until(at.into()).await;
        let context: Context = calls.context(address, limit);
        let renewed = provider.renew(&context, address.type_name(), private.clone());
        match within(limit, "renew", renewed).await {
            // Whoever wants it again at once is not asked without end.
            Ok(Some(next)) => at = next.max(deadline(Duration::from_millis(200))),
            Ok(None) => return,
            Err(error) => {
                *trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                return;
            }
        }
    }
}

/// Closes everything that this process has opened and not closed.
pub async fn close_all() {
    let all = std::mem::take(&mut *ALL.lock().unwrap_or_else(PoisonError::into_inner));
    for ephemerals in all {
        ephemerals.close().await;
    }
}
