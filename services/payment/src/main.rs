fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("openapi") => println!("{}", payment::openapi().to_pretty_json()?),
        Some("audit") => payment::audit::run(std::iter::once("payment audit".to_owned()).chain(args))?,
        _ => payment::serve()?,
    }
    Ok(())
}
