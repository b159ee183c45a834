enum StubWire {}
