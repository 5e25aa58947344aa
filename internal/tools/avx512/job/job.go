// Package job is what the emulated machine and the command that starts it say to each other: what is to be run, and the marks
// between which its output stands on the console.
package job

// File is where the machine finds its jobs, as a JSON list of [Job].
const File = "/jobs.json"

// Job is a program to run.
type Job struct {
	Name string   `json:"name"` // one word
	Dir  string   `json:"dir"`  // to run it in
	Env  []string `json:"env,omitempty"`
	Args []string `json:"args"` // with the program's path
}

// Marks begin lines of the console.
const (
	Processor = "@processor " // its name
	Flags     = "@flags "     // what the kernel says that it can do
	Kernel    = "@kernel "    // the kernel's release and version
	Begin     = "@begin "     // a job's name
	End       = "@end "       // a job's name, exit code and seconds as the machine counts them
	Failed    = "@failed "    // why no more is run
	Off       = "@off"        // the end
)
