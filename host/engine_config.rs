// Compiled into the build script, which compiles the component, and into the library,
// which runs it: the two must agree, and loading fails where they do not.

/// How components are compiled and run.
fn engine_config() -> wasmtime::Config {
    let mut config = wasmtime::Config::new();
    config.wasm_component_model_async(true);
    // A component that computes for ever must be stoppable. Costs a fifth to a third of
    // the time to parse a page of a listing, which is some 50 µs.
    config.epoch_interruption(true);
    // Traps are told without source positions: a stripped component has none.
    config.generate_address_map(false);
    config.wasm_memory64(false);
    config.wasm_relaxed_simd(false);
    config
}
