//! Amazon Cognito user pools: an OpenID provider with a sign-in page of its own.
//!
//! What a browser and the services need of a pool: discovery and keys, the hosted pages, the code
//! flow with PKCE, refresh, revocation, user info, and the few API operations clients use. No mail
//! leaves the machine: what a pool would send is put in an outbox ([`Message`]) that the program
//! running the region prints.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;

use crate::call::Call;
use crate::clock::Timestamp;
use crate::emulator::{Emulator, OpenError};
use crate::error::{ApiError, ApiResult};
use crate::route::Protocol;
use crate::seed::UserPoolSeed;
use crate::service::kms::keyring::Keyring;
use crate::store::Store;
use crate::wire;

mod api;
mod discovery;
mod disk;
mod hosted;
mod password;
mod pool;
mod sealed;
mod throttle;
mod token;

pub(crate) use hosted::handle as hosted;
use pool::Pool;

/// Mail a real pool would have sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// When.
    pub time: Timestamp,
    /// The address.
    pub to: String,
    /// What it is about.
    pub subject: String,
    /// What it says: the confirmation code is in here.
    pub body: String,
}

/// Messages waiting to be taken; older ones make room.
const OUTBOX_LIMIT: usize = 100;

/// All pools of the account, by id.
pub(crate) struct Cognito {
    pools: BTreeMap<String, Pool>,
    outbox: Mutex<VecDeque<Message>>,
}

impl Cognito {
    /// Loads the seeded pools, making keys and users that are not there yet.
    pub(crate) fn open(
        store: &Arc<Store>,
        keys: &Arc<Keyring>,
        seeds: &[UserPoolSeed],
        place: &Place<'_>,
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        let mut pools = BTreeMap::new();
        for seed in seeds {
            let pool = Pool::open(store.clone(), keys.clone(), seed, place, now)?;
            pools.insert(seed.id.clone(), pool);
        }
        Ok(Self {
            pools,
            outbox: Mutex::default(),
        })
    }

    /// A pool by the prefix of its hosted domain.
    fn by_domain(&self, prefix: &str) -> Option<&Pool> {
        self.pools
            .values()
            .find(|pool| pool.seed.domain.as_deref() == Some(prefix))
    }

    /// The pool a client id belongs to.
    fn by_client(&self, client_id: &str) -> Option<&Pool> {
        self.pools
            .values()
            .find(|pool| pool.client(client_id).is_some())
    }

    fn send(&self, message: Message) {
        let mut outbox = self.outbox.lock().unwrap_or_else(PoisonError::into_inner);
        if outbox.len() >= OUTBOX_LIMIT {
            outbox.pop_front();
        }
        outbox.push_back(message);
    }

    /// Empties the outbox.
    pub(crate) fn take_messages(&self) -> Vec<Message> {
        self.outbox
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain(..)
            .collect()
    }
}

/// Where the pools are.
pub(crate) struct Place<'a> {
    pub(crate) region: &'a str,
    pub(crate) dns_suffix: &'a str,
}

/// Whether an operation is for the users of a pool, who have no AWS credentials.
pub(crate) fn is_open(operation: &str) -> bool {
    matches!(operation, "InitiateAuth" | "GetUser" | "RevokeToken")
}

/// Runs an operation of the JSON API.
pub(crate) fn handle(call: &Call<'_>, operation: &str, input: &Value) -> ApiResult<Value> {
    match operation {
        "InitiateAuth" => api::initiate_auth(call, input),
        "GetUser" => api::get_user(call, input),
        "RevokeToken" => api::revoke_token(call, input),
        "ListUserPools" => api::list_user_pools(call),
        "DescribeUserPool" => api::describe_user_pool(call, input),
        "AdminListGroupsForUser" => api::admin_list_groups_for_user(call, input),
        other => Err(ApiError::unsupported("Amazon Cognito user pools", other)),
    }
}

/// Answers `/POOL_ID/.well-known/…`.
pub(crate) fn documents(
    emulator: &Emulator,
    pool_id: &str,
    request: &Request<Bytes>,
) -> Response<Bytes> {
    let Some(pool) = emulator.cognito.pools.get(pool_id) else {
        let message = format!("User pool {pool_id} does not exist.");
        let error = ApiError::client("ResourceNotFoundException", message);
        return wire::error(Protocol::Json, &error, "", "");
    };
    discovery::handle(pool, request)
}
