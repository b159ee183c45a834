enum StubKernel {}
