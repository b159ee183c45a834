enum StubPlugins {}
