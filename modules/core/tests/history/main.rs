//! What stores hold through the years: by example, and against a second store that is looked at instant by instant.
#![allow(clippy::unwrap_used)]

mod examples;
mod make;
mod properties;
