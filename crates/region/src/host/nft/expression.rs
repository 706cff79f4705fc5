//! From statements to the kernel's register machine.
//!
//! A statement becomes a few expressions that load parts of the packet into
//! registers and judge them. Sixteen 4-byte registers exist; each statement
//! starts again at the first, since none leaves a value for the next.

use ipnet::Ipv4Net;

use crate::blueprint::ruleset::{
    ConnectionState, DataType, Field, Match, Statement, Target, Verdict,
};
use crate::host::nfnetlink::Writer;

use super::value;

const VERDICT_REGISTER: u32 = 0;
/// `NFT_REG32_00`; the fifteen after it follow by one.
const FIRST_REGISTER: u32 = 8;
const REGISTER_BYTES: u32 = 4;

const LIST_ELEMENT: u16 = 1;

const META_MARK: u32 = 3;
const META_IIFNAME: u32 = 6;
const META_OIFNAME: u32 = 7;
const META_L4PROTO: u32 = 16;

const CT_STATE: u32 = 0;
const CT_MARK: u32 = 3;
const CT_PACKETS: u32 = 14;

const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const IPV4_SOURCE: u32 = 12;
const IPV4_DESTINATION: u32 = 16;
const IPV4_CHECKSUM: u32 = 10;

/// `NF_NAT_RANGE_PROTO_SPECIFIED | NF_NAT_RANGE_PROTO_RANDOM`.
const NAT_PORTS_RANDOM: u32 = 0b110;

const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;
const AT_MOST: u32 = 3;
const AT_LEAST: u32 = 5;

/// Writes the expressions of one statement.
pub(super) fn statement(w: &mut Writer, statement: &Statement) {
    match statement {
        Statement::Is(question) => matched(w, question, false),
        Statement::IsNot(question) => matched(w, question, true),
        Statement::In { fields, set } => {
            load_all(w, fields);
            lookup(w, set, None, false);
        }
        Statement::NotIn { fields, set } => {
            load_all(w, fields);
            lookup(w, set, None, true);
        }
        Statement::Dispatch { fields, map } => {
            load_all(w, fields);
            lookup(w, map, Some(VERDICT_REGISTER), false);
        }
        Statement::Assign {
            target,
            fields,
            map,
        } => {
            load_all(w, fields);
            lookup(w, map, Some(FIRST_REGISTER), false);
            store(w, *target);
        }
        Statement::SetMark(mark) => {
            immediate_data(w, FIRST_REGISTER, &mark.to_ne_bytes());
            store(w, Target::Mark);
        }
        Statement::SetConnectionMark { keep, bits } => {
            ct(w, CT_MARK, Direction::Load);
            bitwise(w, &(keep & !bits).to_ne_bytes(), &bits.to_ne_bytes());
            ct(w, CT_MARK, Direction::Store);
        }
        Statement::Update { set, fields } => {
            load_all(w, fields);
            expression(w, "dynset", |w| {
                w.text(1, set);
                w.u32(3, 1); // NFT_DYNSET_OP_UPDATE
                w.u32(4, FIRST_REGISTER);
            });
        }
        Statement::Counter => expression(w, "counter", |w| {
            w.attribute(1, &[0; 8]);
            w.attribute(2, &[0; 8]);
        }),
        Statement::Over { packets_per_second } => expression(w, "limit", |w| {
            w.attribute(1, &u64::from(*packets_per_second).to_be_bytes());
            w.attribute(2, &1u64.to_be_bytes());
            w.u32(3, 5); // burst: nft's default
            w.u32(4, 0); // packets, not bytes
            w.u32(5, 1); // NFT_LIMIT_F_INV: over
        }),
        Statement::Log {
            group,
            snapshot_bytes,
        } => expression(w, "log", |w| {
            w.attribute(1, &group.to_be_bytes());
            w.u32(3, *snapshot_bytes);
            w.attribute(4, &0u16.to_be_bytes()); // threshold: the reader sets its own
        }),
        Statement::SourceNat { address, ports } => {
            immediate_data(w, FIRST_REGISTER, &address.octets());
            if let Some(ports) = ports {
                immediate_data(w, FIRST_REGISTER + 1, &ports.start().to_be_bytes());
                immediate_data(w, FIRST_REGISTER + 2, &ports.end().to_be_bytes());
            }
            expression(w, "nat", |w| {
                w.u32(1, 0); // NFT_NAT_SNAT
                w.u32(2, 2); // AF_INET
                w.u32(3, FIRST_REGISTER);
                if ports.is_some() {
                    w.u32(5, FIRST_REGISTER + 1);
                    w.u32(6, FIRST_REGISTER + 2);
                    w.u32(7, NAT_PORTS_RANDOM);
                }
            });
        }
        Statement::Verdict(verdict) => expression(w, "immediate", |w| {
            w.u32(1, VERDICT_REGISTER);
            w.nest(2, |w| verdict_data(w, verdict));
        }),
    }
}

/// The nested body of a verdict, as rules and map elements carry it.
pub(super) fn verdict_data(w: &mut Writer, verdict: &Verdict) {
    let (code, chain): (i32, Option<&str>) = match verdict {
        Verdict::Drop => (0, None),
        Verdict::Accept => (1, None),
        Verdict::Jump(chain) => (-3, Some(chain)),
        Verdict::Goto(chain) => (-4, Some(chain)),
        Verdict::Return => (-5, None),
    };
    w.nest(2, |w| {
        w.attribute(1, &code.to_be_bytes());
        if let Some(chain) = chain {
            w.text(2, chain);
        }
    });
}

fn matched(w: &mut Writer, question: &Match, negated: bool) {
    match question {
        Match::InInterface(name) => {
            load(w, Field::InInterface, FIRST_REGISTER);
            compare(w, negated, &value::interface_name(name));
        }
        Match::OutInterface(name) => {
            load(w, Field::OutInterface, FIRST_REGISTER);
            compare(w, negated, &value::interface_name(name));
        }
        Match::Mark(mark) => {
            load(w, Field::Mark, FIRST_REGISTER);
            compare(w, negated, &mark.to_ne_bytes());
        }
        Match::Protocol(number) => {
            load(w, Field::Protocol, FIRST_REGISTER);
            compare(w, negated, &[*number]);
        }
        Match::Source(net) => within(w, Field::Source, *net, negated),
        Match::Destination(net) => within(w, Field::Destination, *net, negated),
        Match::SourcePort(ports) => {
            load(w, Field::SourcePort, FIRST_REGISTER);
            between(w, *ports.start(), *ports.end(), negated);
        }
        Match::DestinationPort(ports) => {
            load(w, Field::DestinationPort, FIRST_REGISTER);
            between(w, *ports.start(), *ports.end(), negated);
        }
        Match::IcmpType(number) => {
            load(w, Field::IcmpType, FIRST_REGISTER);
            compare(w, negated, &[*number]);
        }
        Match::IcmpCode(number) => {
            payload(w, TRANSPORT_HEADER, 1, 1, FIRST_REGISTER);
            compare(w, negated, &[*number]);
        }
        Match::ConnectionPackets(packets) => {
            expression(w, "ct", |w| {
                w.u32(2, CT_PACKETS);
                w.u32(1, FIRST_REGISTER);
                w.attribute(3, &[0]); // original direction
            });
            compare(w, negated, &packets.to_ne_bytes());
        }
        Match::Connection(states) => {
            ct(w, CT_STATE, Direction::Load);
            let mask = states
                .iter()
                .fold(0u32, |mask, state| mask | state_bit(*state));
            bitwise(w, &mask.to_ne_bytes(), &[0; 4]);
            compare(w, !negated, &[0; 4]);
        }
    }
}

fn state_bit(state: ConnectionState) -> u32 {
    match state {
        ConnectionState::Invalid => 1,
        ConnectionState::Established => 2,
        ConnectionState::Related => 4,
        ConnectionState::New => 8,
    }
}

fn within(w: &mut Writer, field: Field, net: Ipv4Net, negated: bool) {
    load(w, field, FIRST_REGISTER);
    if net.prefix_len() < 32 {
        bitwise(w, &net.netmask().octets(), &[0; 4]);
    }
    compare(w, negated, &net.network().octets());
}

fn between(w: &mut Writer, low: u16, high: u16, negated: bool) {
    if low == high {
        compare(w, negated, &low.to_be_bytes());
    } else if negated {
        expression(w, "range", |w| {
            w.u32(1, FIRST_REGISTER);
            w.u32(2, NOT_EQUAL);
            data(w, 3, &low.to_be_bytes());
            data(w, 4, &high.to_be_bytes());
        });
    } else {
        cmp(w, AT_LEAST, &low.to_be_bytes());
        cmp(w, AT_MOST, &high.to_be_bytes());
    }
}

fn load_all(w: &mut Writer, fields: &[Field]) {
    let mut register = FIRST_REGISTER;
    for field in fields {
        load(w, *field, register);
        register += value::length(field.data_type()).div_ceil(REGISTER_BYTES);
    }
}

fn load(w: &mut Writer, field: Field, register: u32) {
    let length = value::length(field.data_type());
    match field {
        Field::InInterface => meta(w, META_IIFNAME, register),
        Field::OutInterface => meta(w, META_OIFNAME, register),
        Field::Mark => meta(w, META_MARK, register),
        Field::Protocol => meta(w, META_L4PROTO, register),
        Field::Source => payload(w, NETWORK_HEADER, IPV4_SOURCE, length, register),
        Field::Destination => payload(w, NETWORK_HEADER, IPV4_DESTINATION, length, register),
        Field::SourcePort => payload(w, TRANSPORT_HEADER, 0, length, register),
        Field::DestinationPort => payload(w, TRANSPORT_HEADER, 2, length, register),
        Field::IcmpType => payload(w, TRANSPORT_HEADER, 0, length, register),
    }
}

fn store(w: &mut Writer, target: Target) {
    let offset = match target {
        Target::Mark => {
            return expression(w, "meta", |w| {
                w.u32(2, META_MARK);
                w.u32(3, FIRST_REGISTER);
            });
        }
        Target::Source => IPV4_SOURCE,
        Target::Destination => IPV4_DESTINATION,
    };
    expression(w, "payload", |w| {
        w.u32(5, FIRST_REGISTER);
        w.u32(2, NETWORK_HEADER);
        w.u32(3, offset);
        w.u32(4, value::length(DataType::Address));
        w.u32(6, 1); // NFT_PAYLOAD_CSUM_INET
        w.u32(7, IPV4_CHECKSUM);
        w.u32(8, 1); // NFT_PAYLOAD_L4CSUM_PSEUDOHDR: TCP's and UDP's too
    });
}

fn meta(w: &mut Writer, key: u32, register: u32) {
    expression(w, "meta", |w| {
        w.u32(2, key);
        w.u32(1, register);
    });
}

#[derive(Clone, Copy)]
enum Direction {
    Load = 1,
    Store = 4,
}

fn ct(w: &mut Writer, key: u32, direction: Direction) {
    expression(w, "ct", |w| {
        w.u32(2, key);
        w.u32(direction as u16, FIRST_REGISTER);
    });
}

fn payload(w: &mut Writer, base: u32, offset: u32, length: u32, register: u32) {
    expression(w, "payload", |w| {
        w.u32(1, register);
        w.u32(2, base);
        w.u32(3, offset);
        w.u32(4, length);
    });
}

fn bitwise(w: &mut Writer, mask: &[u8; 4], xor: &[u8; 4]) {
    expression(w, "bitwise", |w| {
        w.u32(1, FIRST_REGISTER);
        w.u32(2, FIRST_REGISTER);
        w.u32(3, REGISTER_BYTES);
        data(w, 4, mask);
        data(w, 5, xor);
    });
}

fn compare(w: &mut Writer, negated: bool, operand: &[u8]) {
    cmp(w, if negated { NOT_EQUAL } else { EQUAL }, operand);
}

fn cmp(w: &mut Writer, operator: u32, operand: &[u8]) {
    expression(w, "cmp", |w| {
        w.u32(1, FIRST_REGISTER);
        w.u32(2, operator);
        data(w, 3, operand);
    });
}

fn lookup(w: &mut Writer, set: &str, destination: Option<u32>, negated: bool) {
    expression(w, "lookup", |w| {
        w.text(1, set);
        w.u32(2, FIRST_REGISTER);
        if let Some(register) = destination {
            w.u32(3, register);
        }
        if negated {
            w.u32(5, 1); // NFT_LOOKUP_F_INV
        }
    });
}

fn immediate_data(w: &mut Writer, register: u32, bytes: &[u8]) {
    expression(w, "immediate", |w| {
        w.u32(1, register);
        data(w, 2, bytes);
    });
}

fn data(w: &mut Writer, kind: u16, bytes: &[u8]) {
    w.nest(kind, |w| w.attribute(1, bytes));
}

fn expression(w: &mut Writer, name: &str, body: impl FnOnce(&mut Writer)) {
    w.nest(LIST_ELEMENT, |w| {
        w.text(1, name);
        w.nest(2, body);
    });
}
