//! What a CloudFront distribution does, as data.
