// SPDX-License-Identifier: Apache-2.0

/// What the executable is called, so that every hint can be typed as it stands.
enum ProgramName {
    static let current: String = {
        let path = CommandLine.arguments.first ?? ""
        let name = path.split(separator: "/").last.map(String.init) ?? ""
        return name.isEmpty ? "perch" : name
    }()
}
