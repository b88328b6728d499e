// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import PerchSDK

/// `--watch`: the bundle is built anew when its sources change.
struct WatchOption: ParsableArguments {
    @Flag(name: .long, help: "Build the bundle anew when its sources change, and go on with it.") var watch = false
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The folder of the sources. Default: the package; with --build-command, this one.", valueName: "dir"))
    var watchPath: String?
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The command of the shell that builds it. Default: swift build, in the package.", valueName: "command"))
    var buildCommand: String?

    func validate() throws {
        if !watch, watchPath != nil || buildCommand != nil {
            throw ValidationError("--watch-path and --build-command say something about --watch; give that, too")
        }
        if watchPath?.isEmpty == true { throw ValidationError("--watch-path is empty; name a folder") }
        if buildCommand?.isEmpty == true { throw ValidationError("--build-command is empty; give a command") }
    }

    /// How the bundle of these settings is built; nil where nothing is watched.
    func build(_ configuration: Configuration) throws -> SourceBuild? {
        guard watch else { return nil }
        if configuration.text("bundle.executable") != nil, buildCommand == nil {
            throw PerchError(
                .invalid, "--watch: bundle.executable names a file; say with --build-command how it is built")
        }
        let product = try configuration.text("bundle.executable").map { try Home.absolute($0) } ?? Self.thisProgram()
        let folder = try watchPath.map { try Home.absolute($0) }
        let build = try SourceBuild(of: product, by: buildCommand, in: folder)
        var status = stat()
        guard stat(build.folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw PerchError(.notFound, "--watch: there is no folder \(build.folder.shown(200)) to be watched")
        }
        return build
    }

    private static func thisProgram() throws -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        guard count > 0 else { throw TextFile.fault("read", "/proc/self/exe") }
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
