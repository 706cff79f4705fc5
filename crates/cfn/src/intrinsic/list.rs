//! When does a value count as a list for the functions over lists?

use crate::value::{Kind, Value};

/// The members of a list; `None` for a symbol, which may stand for any list.
pub(super) fn members(value: &Value) -> Option<&[Value]> {
    match &value.kind {
        Kind::List(items) => Some(items),
        _ => None,
    }
}
