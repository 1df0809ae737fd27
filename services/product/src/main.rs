fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("openapi") => println!("{}", product::openapi().to_pretty_json()?),
        Some("audit") => product::audit::run(std::iter::once("product audit".to_owned()).chain(args))?,
        _ => product::serve()?,
    }
    Ok(())
}
