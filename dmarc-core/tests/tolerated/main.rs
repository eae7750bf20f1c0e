//! Forms in which reports arrive and that other tools refuse whole or lose in part: each is read in full here, and what
//! is odd about it is recorded. One test a form; containers are built from the texts in `testdata/`.

mod containers;
mod failure;
mod identity;
mod mail;
mod packing;
mod reading;
mod records;
mod tls;
mod xml;
