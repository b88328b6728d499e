// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// One of this package's executables, run as people run it.
public struct Program: Sendable {
    /// What a run left.
    public struct Outcome: Sendable {
        public var code: Int32
        public var output: String
        public var errors: String

        /// Standard output as lines.
        public var lines: [String] { output.split(separator: "\n").map(String.init) }
    }

    /// The executable's path.
    public let path: String
    /// Put before the arguments of every run's environment.
    public var environment: [String: String]

    /// An executable beside the tests.
    public init(_ name: String, environment: [String: String] = [:]) {
        let tests = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        path = tests.appending(path: name).path
        self.environment = environment
    }

    /// Runs it to its end.
    public func callAsFunction(_ arguments: String..., input: String = "", in directory: String? = nil) throws
        -> Outcome
    {
        try run(arguments, input: input, in: directory)
    }

    /// Runs it to its end.
    public func run(_ arguments: [String], input: String = "", in directory: String? = nil) throws -> Outcome {
        let folder = try Folder()
        defer { folder.remove() }
        // Files and not pipes: nothing can fill up while nobody reads.
        let process = try prepare(arguments, in: directory, output: folder.path + "/out", errors: folder.path + "/err")
        try Data(input.utf8).write(to: URL(filePath: folder.path + "/in"))
        process.standardInput = try FileHandle(forReadingFrom: URL(filePath: folder.path + "/in"))
        try process.run()
        process.waitUntilExit()
        return Outcome(
            code: process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus,
            output: try String(contentsOfFile: folder.path + "/out", encoding: .utf8),
            errors: try String(contentsOfFile: folder.path + "/err", encoding: .utf8))
    }

    /// A run that is not begun yet, with files for what it says.
    public func prepare(_ arguments: [String], in directory: String?, output: String, errors: String) throws -> Process
    {
        let process = Process()
        process.executableURL = URL(filePath: path)
        process.arguments = arguments
        var variables = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("PERCH") }
        variables.merge(environment) { $1 }
        process.environment = variables
        if let directory { process.currentDirectoryURL = URL(filePath: directory) }
        for file in [output, errors] where file != "/dev/null" { try Data().write(to: URL(filePath: file)) }
        process.standardOutput = try FileHandle(forWritingTo: URL(filePath: output))
        process.standardError = try FileHandle(forWritingTo: URL(filePath: errors))
        return process
    }
}

/// A directory for one test.
public struct Folder: Sendable {
    public let path: String

    /// Makes a new one.
    public init() throws {
        var template = Array("/tmp/perch-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw CocoaError(.fileWriteUnknown) }
        path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    /// Removes it with everything in it.
    public func remove() {
        try? FileManager.default.removeItem(atPath: path)  // because what is left in /tmp fails no test
    }
}
