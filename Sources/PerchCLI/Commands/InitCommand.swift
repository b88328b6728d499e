// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import PerchSDK

struct InitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Make a new project, with a first DAG and its test, in a directory of its name.")

    @Argument(help: "The project's name: a letter, then letters, digits and underscores.") var name: String
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Where Perch's own package lies. Default: the package that this program was built in, else its address.",
            valueName: "dir"))
    var perchPath: String?

    func validate() throws {
        let isLetter = { (byte: UInt8) in (65...90).contains(byte) || (97...122).contains(byte) }
        let isRight = name.utf8.enumerated().allSatisfy { offset, byte in
            isLetter(byte) || offset > 0 && ((48...57).contains(byte) || byte == UInt8(ascii: "_"))
        }
        guard isRight, !name.isEmpty, name.utf8.count <= 60 else {
            throw ValidationError(
                "'\(name)' is no project name: a letter, then letters, digits and underscores, up to 60")
        }
        let taken = [
            "main", "swift", "foundation", "testing", "glibc", "dispatch", "synchronization", "operator", "dag",
        ]
        if taken.contains(name.lowercased()) || name.lowercased().hasPrefix("perch") {
            throw ValidationError("'\(name)' would hide a module that the project uses; choose another name")
        }
    }

    func run() throws {
        let package = try ProjectTemplate.Dependency(perchPath: perchPath)
        try Self.makeDirectory(name)
        for file in ProjectTemplate(name: name, dependency: package).files {
            let parts = file.path.split(separator: "/").dropLast()
            for count in parts.indices {
                try Self.makeSubdirectory(name + "/" + parts[...count].joined(separator: "/"))
            }
            try TextFile.create(name + "/" + file.path, file.text)
        }
        try Console.shared.line("\(name) is made. Next: cd \(name) && swift test && swift run \(name) standalone")
    }

    /// Makes the project's directory; one that is there is taken if it is empty.
    private static func makeDirectory(_ path: String) throws {
        guard mkdir(path, 0o755) != 0 else { return }
        guard errno == EEXIST else { throw TextFile.fault("create", path) }
        guard let directory = opendir(path) else { throw TextFile.fault("create", path) }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." {
                throw PerchError(.conflict, "\(path) is there and not empty; choose another name or another directory")
            }
        }
    }

    private static func makeSubdirectory(_ path: String) throws {
        guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw TextFile.fault("create", path) }
    }
}
