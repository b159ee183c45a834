internal import CNI
internal import JSON
internal import Posix

extension ConfigurationKey where Value == Int {
    /// `mtu`, octets; 0 leaves it to the kernel.
    static func mtu(_ summary: String) -> Self {
        Self("mtu", default: 0, summary) { reader throws(Failure) in
            // ETH_MIN_MTU, linux/if_ether.h.
            let number = try reader.integer()
            guard number == 0 || (68...65535).contains(number) else { throw reader.wrong("0, or from 68 to 65535") }
            return Int(number)
        }
    }
}
