//! What enums with a name in records and on the command line have in common.

/// Gives enums that derive strum's `EnumCount`, `EnumString`, `IntoStaticStr` and `VariantArray` an array of their
/// variants, and their names both ways.
macro_rules! named {
    ($($name:ty),+ $(,)?) => {$(
        impl $name {
            /// Every variant, in the order in which help and errors list them.
            pub const ALL: [Self; <Self as strum::EnumCount>::COUNT] =
                match <Self as strum::VariantArray>::VARIANTS.first_chunk() {
                    Some(all) => *all,
                    None => unreachable!(),
                };

            /// The name in records and on the command line.
            pub fn name(self) -> &'static str {
                self.into()
            }

            pub fn from_name(name: &str) -> Option<Self> {
                name.parse().ok()
            }
        }
    )+};
}

pub(super) use named;
