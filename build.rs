//! Compiles `src/imaging/jpeg/libjpeg.c` against the headers of mozjpeg-sys. Needs a C compiler, as SQLite does.

fn main() {
    const SOURCE: &str = "src/imaging/jpeg/libjpeg.c";
    println!("cargo:rerun-if-changed={SOURCE}");
    let headers = std::env::var_os("DEP_JPEG_INCLUDE").expect("mozjpeg-sys names its headers");
    cc::Build::new().includes(std::env::split_paths(&headers)).file(SOURCE).compile("pentimento_jpeg");
}
