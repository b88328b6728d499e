// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// How a bundle is made from its sources.
struct SourceBuild: Sendable {
    /// The folder with the sources.
    var folder: String
    /// Where the command is run.
    var directory: String
    /// The command: its file and its arguments.
    var command: [String]
    /// The executable that it makes.
    var product: String

    /// As people write it.
    var words: String { command.first == Self.shell ? command[2] : command.dropFirst().joined(separator: " ") }

    private static let shell = "/bin/sh"

    /// How an executable is built.
    ///
    /// - Parameters:
    ///   - product: Its path, absolute.
    ///   - command: A command of the shell; nil: `swift build`, where the executable lies in the `.build` of a package.
    ///   - folder: Where the sources are, absolute; nil: in that package, or here.
    /// - Throws: `PerchError` (`invalid`) where it is not to be known.
    init(of product: String, by command: String?, in folder: String?) throws {
        self.product = product
        if let command {
            self.command = [Self.shell, "-c", command]
            directory = try Home.absolute("")
            self.folder = folder ?? directory
            return
        }
        let parts = product.split(separator: "/", omittingEmptySubsequences: false)
        guard let place = parts.lastIndex(of: ".build"), place > 1, let name = parts.last else {
            throw PerchError(
                .invalid,
                "--watch: \(product.shown(200)) is not in the .build of a package: say with --build-command how it is built"
            )
        }
        directory = parts[..<place].joined(separator: "/")
        self.folder = folder ?? directory
        self.command = ["/usr/bin/env", "swift", "build", "--product", String(name)]
        if parts[place...].contains("release") { self.command += ["-c", "release"] }
    }
}
