#if hasFeature(Embedded)
    extension DefaultStringInterpolation {
        /// Embedded Swift cannot print values of arbitrary types; it prints a notice instead. Printed values must be
        /// `CustomStringConvertible`.
        @available(*, deprecated, message: "this has no text in Embedded Swift")
        public mutating func appendInterpolation<Value>(_ value: Value) {}
    }
#endif
