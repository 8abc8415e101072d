//! Helpers shared by the cross-executable tests.
