//! Serving HTTP/1.1 and HTTP/2 on a listener, with or without TLS.
