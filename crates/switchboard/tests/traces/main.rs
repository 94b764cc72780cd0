//! Traces: what is noted of a program, and how it reads.

mod programs;
mod text;
