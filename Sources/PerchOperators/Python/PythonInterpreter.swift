// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK

/// Finds the program that runs Python code.
enum PythonInterpreter {
    /// - Throws: `NonRetryable` that says where it was looked for.
    static func find(_ name: String) throws -> String {
        if name.contains("/") {
            for path in [name + "/bin/python3", name + "/bin/python", name] where isProgram(path) { return path }
            throw NonRetryable(
                "there is no Python interpreter at \(name): wanted is a program, or the folder of a virtual environment"
            )
        }
        let folders = getenv("PATH").map { String(cString: $0) } ?? "/usr/local/bin:/usr/bin:/bin"
        for folder in folders.split(separator: ":") where isProgram("\(folder)/\(name)") { return "\(folder)/\(name)" }
        throw NonRetryable(
            "there is no program '\(name)' in PATH (\(folders)): install it, or name another with 'interpreter'")
    }

    private static func isProgram(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }
}
