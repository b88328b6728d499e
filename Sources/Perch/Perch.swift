// SPDX-License-Identifier: Apache-2.0

// What `import Perch` gives: the SDK, the families of waits and the ready operators. The engine stays behind the command
// line.
@_exported public import PerchOperators
@_exported public import PerchSDK
@_exported public import PerchTriggersApproval
@_exported public import PerchTriggersComposite
@_exported public import PerchTriggersEvent
@_exported public import PerchTriggersFile
@_exported public import PerchTriggersHTTP
@_exported public import PerchTriggersProcess
@_exported public import PerchTriggersRun
@_exported public import PerchTriggersSQL
@_exported public import PerchTriggersSocket
@_exported public import PerchTriggersTime
