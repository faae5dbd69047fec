//! Pictures in and out of files, with limits.
