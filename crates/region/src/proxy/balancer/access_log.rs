//! One line a request: Elastic Load Balancing user guide, "Access log entries".

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::macros::format_description;

use crate::blueprint::balancer::TargetId;

/// Where entries go.
pub type AccessLog = Arc<dyn Fn(&AccessLogEntry) + Send + Sync>;

/// One request as the access log tells it; [`fmt::Display`] writes the line.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessLogEntry {
    /// `http`, `https`, `h2`, `ws` or `wss`.
    pub kind: &'static str,
    /// When the response was done.
    pub time: SystemTime,
    /// `app/NAME/ID`.
    pub balancer: String,
    /// The client.
    pub client: SocketAddr,
    /// The target, if one was chosen.
    pub target: Option<TargetId>,
    /// From receiving the request to sending it on.
    pub request_processing: Option<Duration>,
    /// From sending it on to the response head.
    pub target_processing: Option<Duration>,
    /// From the response head to sending it on.
    pub response_processing: Option<Duration>,
    /// What the client was answered.
    pub status: u16,
    /// What the target answered.
    pub target_status: Option<u16>,
    /// Body bytes from the client.
    pub received_bytes: u64,
    /// Body bytes to the client.
    pub sent_bytes: u64,
    /// Method, URL and version.
    pub request: String,
    /// As sent.
    pub user_agent: Option<String>,
    /// OpenSSL's name.
    pub tls_cipher: Option<String>,
    /// `TLSv1.3`.
    pub tls_protocol: Option<&'static str>,
    /// The group of the target.
    pub target_group_arn: Option<String>,
    /// `X-Amzn-Trace-Id`.
    pub trace_id: String,
    /// SNI.
    pub domain_name: Option<String>,
    /// `None` is the default action, logged as 0.
    pub rule_priority: Option<u32>,
    /// When the request was received.
    pub created: SystemTime,
    /// `forward`, `redirect`, `fixed-response`.
    pub action: Option<&'static str>,
    /// Of a redirect.
    pub redirect_url: Option<String>,
    /// What desync mitigation thought of it, and why, unless compliant.
    pub classification: Option<(&'static str, &'static str)>,
}

impl fmt::Display for AccessLogEntry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} {} {} {} ",
            self.kind,
            timestamp(self.time),
            self.balancer,
            self.client
        )?;
        write!(out, "{} ", dash(self.target.as_ref()))?;
        for duration in [
            self.request_processing,
            self.target_processing,
            self.response_processing,
        ] {
            match duration {
                Some(duration) => write!(out, "{:.3} ", duration.as_secs_f64())?,
                None => out.write_str("-1 ")?,
            }
        }
        write!(
            out,
            "{} {} ",
            self.status,
            dash(self.target_status.as_ref())
        )?;
        write!(out, "{} {} ", self.received_bytes, self.sent_bytes)?;
        write!(out, "\"{}\" ", quoted(&self.request))?;
        write!(
            out,
            "\"{}\" ",
            quoted(self.user_agent.as_deref().unwrap_or("-"))
        )?;
        write!(out, "{} ", dash(self.tls_cipher.as_ref()))?;
        write!(out, "{} ", dash(self.tls_protocol.as_ref()))?;
        write!(out, "{} ", dash(self.target_group_arn.as_ref()))?;
        write!(out, "\"{}\" ", quoted(&self.trace_id))?;
        write!(
            out,
            "\"{}\" \"-\" ",
            quoted(self.domain_name.as_deref().unwrap_or("-"))
        )?;
        write!(
            out,
            "{} {} ",
            self.rule_priority.unwrap_or(0),
            timestamp(self.created)
        )?;
        write!(out, "\"{}\" ", dash(self.action.as_ref()))?;
        write!(
            out,
            "\"{}\" \"-\" ",
            quoted(self.redirect_url.as_deref().unwrap_or("-"))
        )?;
        write!(out, "\"{}\" ", dash(self.target.as_ref()))?;
        let (class, reason) = self.classification.unwrap_or(("-", "-"));
        write!(
            out,
            "\"{}\" \"{class}\" \"{reason}\"",
            dash(self.target_status.as_ref())
        )
    }
}

fn dash<T: fmt::Display>(value: Option<&T>) -> String {
    value.map_or_else(|| "-".to_owned(), T::to_string)
}

/// What a client sends must not be able to end the field or the line.
fn quoted(text: &str) -> String {
    text.chars()
        .flat_map(|letter| match letter {
            '"' => "\\x22".chars().collect::<Vec<_>>(),
            '\\' => "\\x5C".chars().collect(),
            control if control.is_control() => {
                format!("\\x{:02X}", control as u32).chars().collect()
            }
            plain => vec![plain],
        })
        .collect()
}

fn timestamp(time: SystemTime) -> String {
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    OffsetDateTime::from(time)
        .format(format)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_line_has_the_fields_in_their_order_and_no_client_can_add_any() {
        let entry = AccessLogEntry {
            kind: "h2",
            time: UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
            balancer: "app/kickytime/0123456789abcdef".into(),
            client: "203.0.113.9:4711".parse().unwrap(),
            target: Some(TargetId {
                address: "10.0.10.5".parse().unwrap(),
                port: 8080,
            }),
            request_processing: Some(Duration::ZERO),
            target_processing: Some(Duration::from_millis(12)),
            response_processing: None,
            status: 200,
            target_status: Some(200),
            received_bytes: 0,
            sent_bytes: 17,
            request: "GET https://kickytime.example:443/api/matches HTTP/2.0".into(),
            user_agent: Some("x\" y\r\nz".into()),
            tls_cipher: Some("TLS_AES_128_GCM_SHA256".into()),
            tls_protocol: Some("TLSv1.3"),
            target_group_arn: Some("arn:aws:tg".into()),
            trace_id: "Root=1-65".into(),
            domain_name: Some("kickytime.example".into()),
            rule_priority: Some(10),
            created: UNIX_EPOCH,
            action: Some("forward"),
            redirect_url: None,
            classification: Some(("Acceptable", "NonCompliantHeader")),
        };
        insta::assert_snapshot!(entry, @r#"h2 2023-11-14T22:13:20.123000Z app/kickytime/0123456789abcdef 203.0.113.9:4711 10.0.10.5:8080 0.000 0.012 -1 200 200 0 17 "GET https://kickytime.example:443/api/matches HTTP/2.0" "x\x22 y\x0D\x0Az" TLS_AES_128_GCM_SHA256 TLSv1.3 arn:aws:tg "Root=1-65" "kickytime.example" "-" 10 1970-01-01T00:00:00.000000Z "forward" "-" "-" "10.0.10.5:8080" "200" "Acceptable" "NonCompliantHeader""#);
    }
}
