//! From a packet to a packet: RFC 1035, RFC 2308 (negative answers), RFC 6891 (EDNS).

use std::net::IpAddr;

use hickory_proto::op::{Edns, Message, MessageType, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, PTR, SOA, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::Transport;
use super::lookup::{Found, Value, find, normal};
use crate::blueprint::dns::DnsView;

/// What we take over UDP at most: fits every link without fragments.
const MAX_UDP_BYTES: u16 = 1232;
const MIN_UDP_BYTES: u16 = 512;
const NEGATIVE_TTL_S: u32 = 60;
/// Where the response bit, and with it the header, is.
const HEADER_BYTES: usize = 12;

pub(super) fn answer(
    view: &DnsView,
    source: IpAddr,
    packet: &[u8],
    transport: Transport,
) -> Option<Vec<u8>> {
    let Ok(query) = Message::from_vec(packet) else {
        return malformed(packet);
    };
    if query.metadata.message_type == MessageType::Response {
        // never answer an answer: two servers would talk for ever
        return None;
    }
    let mut response = respond(view, source, &query);
    let limit = match transport {
        Transport::Tcp => usize::from(u16::MAX),
        Transport::Udp => usize::from(udp_limit(&query)),
    };
    if let Some(edns) = &query.edns {
        let mut own = Edns::new();
        own.set_max_payload(MAX_UDP_BYTES);
        if edns.version() > 0 {
            response = Message::error_msg(query.metadata.id, OpCode::Query, ResponseCode::BADVERS);
        }
        response.set_edns(own);
    }
    let bytes = response.to_vec().ok()?;
    if bytes.len() <= limit {
        Some(bytes)
    } else {
        response.truncate().to_vec().ok()
    }
}

fn udp_limit(query: &Message) -> u16 {
    query.edns.as_ref().map_or(MIN_UDP_BYTES, |edns| {
        edns.max_payload().clamp(MIN_UDP_BYTES, MAX_UDP_BYTES)
    })
}

/// FORMERR if there is at least a header to answer to.
fn malformed(packet: &[u8]) -> Option<Vec<u8>> {
    let header = packet.get(..HEADER_BYTES)?;
    if header[2] & 0x80 != 0 {
        return None;
    }
    let id = u16::from_be_bytes([header[0], header[1]]);
    Message::error_msg(id, OpCode::Query, ResponseCode::FormErr)
        .to_vec()
        .ok()
}

fn respond(view: &DnsView, source: IpAddr, query: &Message) -> Message {
    let mut response = Message::response(query.metadata.id, query.metadata.op_code);
    response.metadata = Metadata::response_from_request(&query.metadata);
    response.metadata.recursion_available = true;
    response.add_queries(query.queries.iter().cloned());
    let [question] = query.queries.as_slice() else {
        response.metadata.response_code = ResponseCode::FormErr;
        return response;
    };
    if query.metadata.op_code != OpCode::Query {
        response.metadata.response_code = ResponseCode::NotImp;
        return response;
    }
    if question.query_class() != DNSClass::IN {
        response.metadata.response_code = ResponseCode::Refused;
        return response;
    }
    let name = normal(&question.name().to_ascii());
    let found = find(view, &name, source);
    let wanted = question.query_type();
    for record in found
        .records
        .iter()
        .filter_map(|found| record(found, question.name()))
    {
        let kind = record.record_type();
        // an alias belongs to every answer, the rest only if asked for
        if kind == wanted || kind == RecordType::CNAME || wanted == RecordType::ANY {
            response.add_answer(record);
        }
    }
    if !found.exists {
        response.metadata.response_code = ResponseCode::NXDomain;
    }
    if response
        .answers
        .iter()
        .all(|record| record.record_type() == RecordType::CNAME && wanted != RecordType::CNAME)
    {
        response.authorities.extend(authority(view, &name));
    }
    response
}

/// A record as hickory has it. The owner keeps the letters of the question.
fn record(found: &Found, asked: &Name) -> Option<Record> {
    let owner = if found.name == normal(&asked.to_ascii()) {
        asked.clone()
    } else {
        name(&found.name)?
    };
    let data = match &found.value {
        Value::Address(IpAddr::V4(address)) => RData::A(A(*address)),
        Value::Address(IpAddr::V6(address)) => RData::AAAA(AAAA(*address)),
        Value::Alias(target) => RData::CNAME(CNAME(name(target)?)),
        Value::Pointer(target) => RData::PTR(PTR(name(target)?)),
        Value::Text(text) => RData::TXT(TXT::new(text.clone())),
    };
    Some(Record::from_rdata(owner, found.ttl_s, data))
}

fn name(text: &str) -> Option<Name> {
    let mut name = Name::from_ascii(text).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// The start of authority a negative answer rests on: the longest apex above the name.
fn authority(view: &DnsView, asked: &str) -> Option<Record> {
    let above = |apex: &&String| asked == apex.as_str() || asked.ends_with(&format!(".{apex}"));
    let apex = view
        .apexes
        .iter()
        .filter(above)
        .max_by_key(|apex| apex.len());
    let owner = apex.map_or_else(|| Some(Name::root()), |apex| name(apex))?;
    let server = name("ns.kickytime.internal")?;
    let mailbox = name("hostmaster.kickytime.internal")?;
    let soa = SOA::new(server, mailbox, 1, 7200, 900, 1_209_600, NEGATIVE_TTL_S);
    Some(Record::from_rdata(owner, NEGATIVE_TTL_S, RData::SOA(soa)))
}
