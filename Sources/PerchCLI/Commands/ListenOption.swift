// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchAPIServer
internal import PerchSDK

/// `--listen`, which every role takes that is a process.
struct ListenOption: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Where GET /health, /ready and /metrics are answered, as 127.0.0.1:8794. Default: health.listen, else nowhere.",
            valueName: "address"))
    var listen: String?

    func validate() throws {
        guard let listen else { return }
        do throws(PerchError) {
            _ = try ListenAddress(parsing: listen)
        } catch {
            throw ValidationError("--listen: \(error.message)")
        }
    }

    /// The setting that the option is short for.
    var assignments: [String] { listen.map { ["health.listen=\($0)"] } ?? [] }
}
