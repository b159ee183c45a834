import CNI
import DHCP
import Plugins
import Posix

// A multi-call binary: the name it is called by selects the plugin.
let type = Dispatcher.invokedName
if !ProcessEnvironment.hasVariable("CNI_COMMAND") {
    // Not started by a runtime, but perhaps as a service: `dhcp daemon` or `swiftlet dhcp daemon`.
    let words = ProcessEnvironment.arguments.dropFirst()
    let rest = type == "dhcp" ? words : words.first == "dhcp" ? words.dropFirst() : []
    if rest.first == "daemon" { ProcessEnvironment.exit(Daemon.main(Array(rest.dropFirst()))) }
}
ProcessEnvironment.exit(Dispatcher(Registry.plugins).runProcess(as: type))
