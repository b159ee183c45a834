enum StubIPAM {}
