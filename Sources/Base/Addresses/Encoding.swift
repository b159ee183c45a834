#if !hasFeature(Embedded)
    // Encoded as the text that people write.

    extension IPAddress: Encodable {
        public func encode(to encoder: any Encoder) throws { try description.encode(to: encoder) }
    }

    extension CIDR: Encodable {
        public func encode(to encoder: any Encoder) throws { try description.encode(to: encoder) }
    }

    extension AddressRange: Encodable {
        public func encode(to encoder: any Encoder) throws { try description.encode(to: encoder) }
    }

    extension MACAddress: Encodable {
        public func encode(to encoder: any Encoder) throws { try description.encode(to: encoder) }
    }
#endif
