//! A network in memory, under virtual time.
