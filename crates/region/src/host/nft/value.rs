//! Values as the kernel's registers hold them.

use crate::blueprint::ruleset::{DataType, Value};

/// `IFNAMSIZ`: interface names fill sixteen bytes, zeros after the name.
const INTERFACE_NAME: usize = 16;

/// Bytes of a value of this type.
pub(super) fn length(data_type: DataType) -> u32 {
    match data_type {
        DataType::InterfaceName => 16,
        DataType::Address | DataType::Mark => 4,
        DataType::Port => 2,
        DataType::Protocol | DataType::IcmpType => 1,
    }
}

/// nft's own number for the type: the kernel only keeps it for listings.
pub(super) fn type_number(data_type: DataType) -> u32 {
    match data_type {
        DataType::Address => 7,
        DataType::Protocol => 12,
        DataType::Port => 13,
        DataType::IcmpType => 14,
        DataType::Mark => 19,
        DataType::InterfaceName => 41,
    }
}

/// Whether the value stands in the machine's own byte order.
pub(super) fn is_host_order(data_type: DataType) -> bool {
    matches!(data_type, DataType::Mark | DataType::InterfaceName)
}

pub(super) fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::InterfaceName(name) => interface_name(name).to_vec(),
        Value::Address(address) => address.octets().to_vec(),
        Value::Protocol(number) | Value::IcmpType(number) => vec![*number],
        Value::Port(port) => port.to_be_bytes().to_vec(),
        Value::Mark(mark) => mark.to_ne_bytes().to_vec(),
    }
}

/// A key: one value as it is, several each padded to whole registers.
pub(super) fn key(values: &[Value]) -> Vec<u8> {
    if let [value] = values {
        return bytes(value);
    }
    let mut key = Vec::new();
    for value in values {
        key.extend(bytes(value));
        key.resize(key.len().next_multiple_of(4), 0);
    }
    key
}

/// The key's length in bytes, laid out as [`key`] does.
pub(super) fn key_length(types: &[DataType]) -> u32 {
    match types {
        [single] => length(*single),
        _ => types
            .iter()
            .map(|part| length(*part).next_multiple_of(4))
            .sum(),
    }
}

/// The last of the sixteen bytes stays zero; longer names were refused before.
pub(super) fn interface_name(name: &str) -> [u8; INTERFACE_NAME] {
    let mut bytes = [0; INTERFACE_NAME];
    let kept = name.len().min(INTERFACE_NAME - 1);
    bytes[..kept].copy_from_slice(&name.as_bytes()[..kept]);
    bytes
}

/// A key back from the kernel's bytes; `None` if they do not have its length.
pub(super) fn decode_key(types: &[DataType], bytes: &[u8]) -> Option<Vec<Value>> {
    let mut rest = bytes;
    types
        .iter()
        .map(|part| {
            let length = length(*part) as usize;
            let value = decode(*part, rest.get(..length)?)?;
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            Some(value)
        })
        .collect()
}

fn decode(data_type: DataType, bytes: &[u8]) -> Option<Value> {
    Some(match data_type {
        DataType::InterfaceName => {
            let end = bytes
                .iter()
                .position(|byte| *byte == 0)
                .unwrap_or(bytes.len());
            Value::InterfaceName(String::from_utf8_lossy(&bytes[..end]).into_owned())
        }
        DataType::Address => Value::Address(u32::from_be_bytes(*bytes.first_chunk()?).into()),
        DataType::Protocol => Value::Protocol(*bytes.first()?),
        DataType::Port => Value::Port(u16::from_be_bytes(*bytes.first_chunk()?)),
        DataType::IcmpType => Value::IcmpType(*bytes.first()?),
        DataType::Mark => Value::Mark(u32::from_ne_bytes(*bytes.first_chunk()?)),
    })
}
