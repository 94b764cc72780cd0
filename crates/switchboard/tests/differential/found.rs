//! Cases that were found to differ once.
