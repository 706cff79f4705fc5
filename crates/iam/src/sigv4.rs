//! Who signed this request?
