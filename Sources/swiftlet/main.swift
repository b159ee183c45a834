import CNI
import Plugins
import Posix

// A multi-call binary: the name that it is called with says which plugin it is.
ProcessEnvironment.exit(Dispatcher(Registry.plugins).runProcess(as: Dispatcher.invokedName))
