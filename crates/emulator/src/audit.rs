//! Who did what, when, and why was it allowed or not? CloudTrail's record format.
//!
//! One record a decision. `additionalEventData` says what the decision was, for which reason and by
//! which statements. The newest records are in memory; all are in a sealed journal of bounded size,
//! whose older half moves to `events.1` when it is full.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::journal::Journal;
use crate::service::kms::keyring::{Keyring, SERVICE_KEY};
use crate::store::Store;
use crate::vault::VaultError;

const PATH: &str = "audit/events";
const OLDER_PATH: &str = "audit/events.1";
/// A file of the journal grows to this many bytes before it becomes the older one.
const FILE_LIMIT: u64 = 8 * 1024 * 1024;
/// Records held in memory.
const MEMORY_LIMIT: usize = 2_000;

/// One record. The members are those of "CloudTrail record contents".
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEvent {
    /// When.
    pub time: Timestamp,
    /// ARN or service name of who asked; `anonymous` if nobody signed.
    pub principal: String,
    /// `kms:Decrypt`.
    pub action: String,
    /// The ARN asked for.
    pub resource: String,
    /// Whether it was allowed.
    pub allowed: bool,
    /// Because of what, in one sentence.
    pub reason: String,
    /// From where.
    pub source_ip: String,
    /// Through which VPC endpoint.
    pub vpc_endpoint: Option<String>,
    /// The whole record.
    pub record: Value,
}

/// The trail.
pub(crate) struct Audit {
    store: Arc<Store>,
    keys: Arc<Keyring>,
    state: Mutex<State>,
}

struct State {
    recent: VecDeque<AuditEvent>,
    journal: Journal,
    /// The first failure to write; further ones say nothing new.
    failed: Option<String>,
}

impl Audit {
    /// Opens the trail of the last run, with its newest records in memory.
    pub(crate) fn open(store: Arc<Store>, keys: Arc<Keyring>) -> Result<Self, VaultError> {
        let mut recent = VecDeque::new();
        if let Some((_, contents)) = Journal::open(&store, &keys, OLDER_PATH)? {
            remember_all(&mut recent, &contents.records);
        }
        let journal = match Journal::open(&store, &keys, PATH)? {
            Some((journal, contents)) => {
                remember_all(&mut recent, &contents.records);
                journal
            }
            None => Journal::create(&store, &keys, SERVICE_KEY, PATH)?,
        };
        let state = Mutex::new(State {
            recent,
            journal,
            failed: None,
        });
        Ok(Self { store, keys, state })
    }

    /// Adds a record.
    pub(crate) fn record(&self, event: AuditEvent) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.write(&mut state, &event) {
            state.failed.get_or_insert_with(|| error.to_string());
        }
        remember(&mut state.recent, event);
    }

    /// The newest records, oldest first.
    pub(crate) fn recent(&self) -> Vec<AuditEvent> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.recent.iter().cloned().collect()
    }

    /// Why the trail could not be written, if it ever could not.
    pub(crate) fn failure(&self) -> Option<String> {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .failed
            .clone()
    }

    fn write(&self, state: &mut State, event: &AuditEvent) -> Result<(), VaultError> {
        if state.journal.bytes() > FILE_LIMIT {
            self.roll(state)?;
        }
        state
            .journal
            .append(&self.store, event.record.to_string().as_bytes())
    }

    fn roll(&self, state: &mut State) -> Result<(), VaultError> {
        if let Some((_, contents)) = Journal::open(&self.store, &self.keys, PATH)? {
            let mut older = Journal::create(&self.store, &self.keys, SERVICE_KEY, OLDER_PATH)?;
            for record in contents.records {
                older.append(&self.store, &record)?;
            }
        }
        state.journal = Journal::create(&self.store, &self.keys, SERVICE_KEY, PATH)?;
        Ok(())
    }
}

fn remember_all(recent: &mut VecDeque<AuditEvent>, records: &[Vec<u8>]) {
    for record in records
        .iter()
        .skip(records.len().saturating_sub(MEMORY_LIMIT))
    {
        if let Some(event) = serde_json::from_slice(record)
            .ok()
            .and_then(AuditEvent::from_record)
        {
            remember(recent, event);
        }
    }
}

fn remember(recent: &mut VecDeque<AuditEvent>, event: AuditEvent) {
    if recent.len() >= MEMORY_LIMIT {
        recent.pop_front();
    }
    recent.push_back(event);
}

/// What a record is made from.
pub(crate) struct Facts<'a> {
    pub(crate) time: Timestamp,
    pub(crate) request_id: &'a str,
    pub(crate) event_id: String,
    pub(crate) region: &'a str,
    pub(crate) account: &'a str,
    pub(crate) user_identity: Value,
    pub(crate) principal: String,
    pub(crate) action: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) source_ip: String,
    pub(crate) user_agent: &'a str,
    pub(crate) vpc_endpoint: Option<&'a str>,
    pub(crate) decision: &'static str,
    pub(crate) reason: String,
    pub(crate) error: Option<(&'a str, &'a str)>,
}

impl AuditEvent {
    pub(crate) fn new(facts: Facts<'_>) -> Self {
        let (service, operation) = facts.action.split_once(':').unwrap_or(("", facts.action));
        let mut record = Map::new();
        let mut put = |name: &str, value: Value| record.insert(name.to_owned(), value);
        put("eventVersion", json!("1.11"));
        put("userIdentity", facts.user_identity);
        put("eventTime", json!(facts.time.iso8601()));
        put("eventSource", json!(format!("{service}.amazonaws.com")));
        put("eventName", json!(operation));
        put("awsRegion", json!(facts.region));
        put("sourceIPAddress", json!(facts.source_ip));
        put("userAgent", json!(facts.user_agent));
        if let Some((code, message)) = facts.error {
            put("errorCode", json!(code));
            put("errorMessage", json!(message));
        }
        put("requestParameters", Value::Null);
        put("responseElements", Value::Null);
        put(
            "additionalEventData",
            json!({
                "action": facts.action,
                "decision": facts.decision,
                "reason": facts.reason,
                "principal": facts.principal,
                "timeMs": facts.time.0,
            }),
        );
        put("requestID", json!(facts.request_id));
        put("eventID", json!(facts.event_id));
        put("readOnly", json!(is_read_only(operation)));
        put(
            "resources",
            json!([{ "ARN": facts.resource, "accountId": facts.account }]),
        );
        put("eventType", json!("AwsApiCall"));
        put("managementEvent", json!(true));
        put("recipientAccountId", json!(facts.account));
        if let Some(endpoint) = facts.vpc_endpoint {
            put("vpcEndpointId", json!(endpoint));
        }
        put("eventCategory", json!("Management"));
        Self::from_record(Value::Object(record)).expect("the members were just put there")
    }

    fn from_record(record: Value) -> Option<Self> {
        let text = |pointer: &str| record.pointer(pointer)?.as_str().map(str::to_owned);
        Some(Self {
            time: Timestamp(record.pointer("/additionalEventData/timeMs")?.as_i64()?),
            principal: text("/additionalEventData/principal")?,
            action: text("/additionalEventData/action")?,
            resource: text("/resources/0/ARN")?,
            allowed: text("/additionalEventData/decision")? == "Allowed",
            reason: text("/additionalEventData/reason")?,
            source_ip: text("/sourceIPAddress")?,
            vpc_endpoint: text("/vpcEndpointId"),
            record,
        })
    }
}

fn is_read_only(operation: &str) -> bool {
    ["Get", "Describe", "List", "Filter", "Head", "Batch"]
        .iter()
        .any(|p| operation.starts_with(p))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: i64) -> AuditEvent {
        AuditEvent::new(Facts {
            time: Timestamp(number),
            request_id: "r",
            event_id: "e".to_owned(),
            region: "ap-northeast-2",
            account: "111122223333",
            user_identity: json!({ "type": "AWSService" }),
            principal: "cloudfront.amazonaws.com".to_owned(),
            action: "s3:GetObject",
            resource: "arn:aws:s3:::web/index.html",
            source_ip: "192.0.2.1".to_owned(),
            user_agent: "ua",
            vpc_endpoint: Some("vpce-1"),
            decision: "ImplicitDeny",
            reason: "nothing allows it".to_owned(),
            error: Some(("AccessDenied", "no")),
        })
    }

    fn opened(store: &Arc<Store>) -> Audit {
        let keys = Keyring::open(store, &[], "arn:aws:kms:r:a:key/", Timestamp(0)).unwrap();
        Audit::open(store.clone(), Arc::new(keys)).unwrap()
    }

    #[test]
    fn the_trail_survives_and_says_everything() {
        let store = Arc::new(Store::memory());
        opened(&store).record(event(7));
        let again = opened(&store).recent();
        assert_eq!(again, [event(7)]);
        assert!(!again[0].allowed);
        assert_eq!(again[0].record["eventSource"], "s3.amazonaws.com");
        assert_eq!(again[0].record["readOnly"], true);
    }

    #[test]
    fn memory_is_bounded_and_keeps_the_newest() {
        let store = Arc::new(Store::memory());
        let audit = opened(&store);
        for number in 0..=i64::try_from(MEMORY_LIMIT).unwrap() {
            audit.record(event(number));
        }
        let recent = audit.recent();
        assert_eq!(recent.len(), MEMORY_LIMIT);
        assert_eq!(recent[0].time, Timestamp(1));
        assert_eq!(audit.failure(), None);
    }
}
