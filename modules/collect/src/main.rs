//! `backup_collect`: see the library's `main`.

fn main() -> std::process::ExitCode {
    backup_collect::main()
}
