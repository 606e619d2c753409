//! retrue.
