import CNI
import DHCP
import Plugins
import Posix

// A multi-call binary: the name that it is called with says which plugin it is.
let type = Dispatcher.invokedName
let words = ProcessEnvironment.arguments.dropFirst(type == "dhcp" ? 1 : 2)
if words.first == "daemon", type == "dhcp" || ProcessEnvironment.arguments.dropFirst().first == "dhcp" {
    ProcessEnvironment.exit(Daemon.main(Array(words.dropFirst())))
}
ProcessEnvironment.exit(Dispatcher(Registry.plugins).runProcess(as: type))
