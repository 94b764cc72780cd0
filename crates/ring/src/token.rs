//! The name of an operation: an index with a generation.
//!
//! A place in the table is used again, its generation is not: a completion that comes late never
//! reaches a newcomer. The whole token travels through the kernel as the 64-bit user data of the
//! request. slotmap never packs a key into 0, so 0 is free for what nobody waits for.

slotmap::new_key_type! {
    /// The name of an operation of a [`Ring`](crate::Ring), from `push` until its final reply.
    ///
    /// Unique for the ring's life: it is not given again afterwards (until some 2³¹ operations have used
    /// the same place). It is a slotmap key, so data of your own can be kept beside the ring in a
    /// `slotmap::SecondaryMap<Token, _>`. Tokens of two rings do not mix.
    pub struct Token;
}
