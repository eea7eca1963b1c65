package session

// Main runs a helper and lends it the first thread: macOS tells what is in front
// to that one only. Whoever calls it must be locked to it since the start of the
// program. onMain runs a function there and waits for it.
func Main(run func(onMain func(func())) error) error {
	calls := make(chan func())
	ended := make(chan error, 1)
	go func() {
		ended <- run(func(f func()) {
			done := make(chan struct{})
			calls <- func() {
				defer close(done)
				f()
			}
			<-done
		})
	}()
	for {
		select {
		case f := <-calls:
			f()
		case err := <-ended:
			return err
		}
	}
}
