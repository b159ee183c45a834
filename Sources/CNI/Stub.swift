enum StubCNI {}
