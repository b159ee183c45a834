#if hasFeature(Embedded)
    extension DefaultStringInterpolation {
        /// Values of any type have no text in Embedded Swift, which prints a notice instead: what is printed must be
        /// `CustomStringConvertible`.
        @available(*, deprecated, message: "this has no text in Embedded Swift")
        public mutating func appendInterpolation<Value>(_ value: Value) {}
    }
#endif
