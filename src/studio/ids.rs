//! Database keys, one type for each table.

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub i64);
    )+};
}

keys! {
    SubjectId,
    ConsentId,
    ReferenceId,
    RunId,
    OutputId,
    ReviewId,
    BaselineId,
    PresetId,
}
