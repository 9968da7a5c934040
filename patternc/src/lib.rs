//! patternc
