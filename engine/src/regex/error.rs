//! Why a pattern is refused, and why a search was given up.

/// Why a pattern is refused, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}, at byte {at} of the pattern")]
pub struct RegexError {
    /// What is wrong.
    pub kind: RegexErrorKind,
    /// Bytes of the pattern before the place where that showed.
    pub at: usize,
}

/// What is wrong with a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegexErrorKind {
    /// More than [`PATTERN_BYTES_MAX`](super::PATTERN_BYTES_MAX).
    #[error("the pattern is too long")]
    TooLong,
    /// More than [`NESTING_MAX`](super::NESTING_MAX) groups within each other.
    #[error("groups are nested too deeply")]
    NestingTooDeep,
    /// `(` without its `)`.
    #[error("a group is not closed")]
    GroupOpen,
    /// `)` without its `(`.
    #[error("a closing parenthesis has no group")]
    GroupClose,
    /// `(?` with something after it that means nothing.
    #[error("no kind of group begins so")]
    GroupKind,
    /// A name that is empty, too long, not ended, or of other than letters, digits and underscores.
    #[error("the name of a group is no name")]
    GroupName,
    /// Two groups of one name.
    #[error("two groups have one name")]
    GroupNameTwice,
    /// A reference to a group that the pattern does not have.
    #[error("there is no such group")]
    GroupMissing,
    /// A conditional group with more than two branches.
    #[error("a conditional group has more than two branches")]
    ConditionBranches,
    /// `*`, `+`, `?` or `{n}` after nothing that can be repeated.
    #[error("there is nothing to repeat")]
    RepeatNothing,
    /// `{3,1}`.
    #[error("the bounds of a repetition are out of order")]
    RepeatBounds,
    /// A repetition of more than 65,535.
    #[error("a repetition is above 65535")]
    RepeatTooLarge,
    /// A class without its `]`.
    #[error("a class is not closed")]
    ClassOpen,
    /// A range whose first byte is above its last, or with an end that is no byte.
    #[error("a range of a class has no such ends")]
    ClassRange,
    /// `[:name:]` with an unknown name, or outside of a class.
    #[error("there is no such POSIX class here")]
    ClassName,
    /// An escape that means nothing, or nothing at this place.
    #[error("the escape means nothing here")]
    Escape,
    /// A character above 255.
    #[error("a character is above 255")]
    CharacterTooLarge,
    /// A look-behind with a branch of no single length. A back-reference has none.
    #[error("a branch of a look-behind has no single length")]
    LookBehindLength,
    /// `\K` in a look-around.
    #[error("a look-around cannot move the start of the match")]
    KeepInLook,
    /// Recursion, calls, callouts, verbs, Unicode properties, and other things that PCRE has and this engine has not.
    #[error("this feature of PCRE is not supported")]
    Unsupported,
}

/// Why a search was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Exceeded {
    /// The steps that the caller allowed are used up.
    #[error("the search took more steps than are allowed")]
    Steps,
    /// More places to come back to than [`MEMORY_BYTES_MAX`](super::MEMORY_BYTES_MAX) hold.
    #[error("the search needs more memory than is allowed")]
    Memory,
}
