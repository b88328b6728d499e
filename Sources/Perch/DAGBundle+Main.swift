// SPDX-License-Identifier: Apache-2.0

internal import PerchCLI
public import PerchSDK

extension DAGBundle {
    /// What `@main` calls: reads the arguments and does what they ask, as `standalone`, `dags`, `deferred`, …; `--help`
    /// lists it all.
    @concurrent public static func main() async {
        await PerchCommandLine.main(Self.self)
    }
}
